@description('Region.')
param location string

@description('How many.')
@maxValue(3)
param size int

@description('Which.')
@allowed([
  'a'
  'b'
])
param kind string = 'a'

@description('The value.')
output name string = '${location}${kind}'

@description('Twice as many.')
output size int = size * 2
