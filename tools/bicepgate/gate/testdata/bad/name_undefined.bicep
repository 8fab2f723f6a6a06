@description('Region.')
param place string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: place
  location: location // ERROR: there is no "location"
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}
