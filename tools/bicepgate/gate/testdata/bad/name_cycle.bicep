@description('Region.')
param location string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: a
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}

var a = 'x${b}' // ERROR: itself
var b = 'y${a}' // ERROR: wait for each other
