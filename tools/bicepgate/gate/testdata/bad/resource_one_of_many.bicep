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

@description('The value.')
output n string = account.id // ERROR: declared in a loop
