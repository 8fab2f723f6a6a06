@description('Region.')
param location string

module m '../good/module.bicep' = {
  name: 'mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm' // ERROR: above the most
  params: {
    location: location
    size: 2
  }
}
