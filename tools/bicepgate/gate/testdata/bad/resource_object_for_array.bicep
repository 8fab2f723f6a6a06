@description('Region.')
param location string

resource network 'Microsoft.Network/virtualNetworks@2023-11-01' = {
  name: 'vnet'
  location: location
  properties: {
    subnets: { // ERROR: expected array, got object
      name: 'app'
    }
  }
}
