@description('Which.')
@allowed([
  'public'
  'private'
])
param network string = 'public'

@description('The value.')
output closed bool = network == 'privat' // ERROR: are never equal
