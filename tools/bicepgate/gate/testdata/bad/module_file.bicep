@description('Region.')
param location string

module m 'not-there.bicep' = { // ERROR: read a Bicep file
  name: 'm'
  params: {
    location: location
  }
}
