@description('Region.')
param location string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: join(names, '')
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}

var names = filter(['a'], x => y == 'a') // ERROR: there is no "y"
