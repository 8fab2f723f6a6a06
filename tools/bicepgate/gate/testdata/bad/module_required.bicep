@description('Region.')
param location string

module m '../good/module.bicep' = {
  name: 'm'
  params: { // ERROR: m.params.size is required
    location: location
  }
}
