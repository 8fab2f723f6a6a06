@description('Region.')
param location string

var location = 'x' // ERROR: declared twice

@description('The value.')
output region string = location
