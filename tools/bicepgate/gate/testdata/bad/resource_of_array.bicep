@description('Region.')
param location string

resource network 'Microsoft.Network/virtualNetworks@2023-11-01' = {
  name: 'vnet'
  location: location
  properties: {
    subnets: [
      {
        name: 'app'
        properties: {
          adressPrefix: '10.0.0.0/24' // ERROR: no network.properties.subnets[].properties.adressPrefix
        }
      }
    ]
  }
}
