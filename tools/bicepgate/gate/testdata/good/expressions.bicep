@description('Region, if any.')
param location string?

@description('A mode.')
param mode 'fast' | 'slow' = 'fast'

type receiver = {
  name: string
  address: string?
}

@description('Who is told.')
param receivers receiver[] = []

var names = map(receivers, r => r.name)
var long = filter(names, n => length(n) > 3 && n != 'none')
var place = location ?? resourceGroup().location
var merged = union({ a: 1 }, { b: 'x' })

resource accounts 'Microsoft.Storage/storageAccounts@2023-05-01' = [for (n, i) in long: if (mode == 'fast') {
  name: toLower('st${n}${i}')
  location: place
  tags: {
    b: merged.b
    '${n}-tag': 'x'
  }
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}]

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: accounts[0]
  name: 'default'
}

resource known 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: 'known'
}

@description('Keys of a map.')
output keys array = [for item in items(merged): item.key]

@description('Where tables are.')
output endpoint string = known.properties.primaryEndpoints.table

@description('What the blobs are called.')
output blobs string = blobs.name
