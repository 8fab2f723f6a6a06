@description('Region.')
param location string

module m '../good/module.bicep' = {
  name: 'm'
  params: {
    location: location
    size: 2
    sizes: 3 // ERROR: no m.params.sizes
  }
}
