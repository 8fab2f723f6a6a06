@description('Region.')
@allowed([
  'a'
  'b'
])
param location string = 'c' // ERROR: not one of a, b

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'ledger'
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}
