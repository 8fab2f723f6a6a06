@description('Region.')
param location string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: replace('a', 'b') // ERROR: does not take 2 arguments
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}
