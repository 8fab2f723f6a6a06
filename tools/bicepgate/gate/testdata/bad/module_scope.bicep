@description('Region.')
param location string

module m '../good/tenant.bicep' = { // ERROR: give it a scope
  name: 'm'
  params: {
    workspaceId: location
  }
}
