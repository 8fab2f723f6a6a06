@description('Region.')
param location string

module m 'module_of_itself.bicep' = { // ERROR: a module of itself
  name: 'm'
  params: {
    location: location
  }
}
