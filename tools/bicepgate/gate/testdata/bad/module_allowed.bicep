@description('Region.')
param location string

module m '../good/module.bicep' = {
  name: 'm'
  params: {
    location: location
    size: 2
    kind: 'c' // ERROR: not one of a, b
  }
}
