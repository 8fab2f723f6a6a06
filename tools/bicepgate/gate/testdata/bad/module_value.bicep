@description('Region.')
param location string

module m '../good/module.bicep' = {
  name: 'm'
  params: {
    location: location
    size: 4 // ERROR: above the most
  }
}
