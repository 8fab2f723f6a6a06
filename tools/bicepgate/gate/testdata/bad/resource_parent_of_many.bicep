@description('Region.')
param location string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = [for n in ['a', 'b']: {
  name: 'ledger${n}'
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}]

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account // ERROR: declared in a loop
  name: 'default'
}
