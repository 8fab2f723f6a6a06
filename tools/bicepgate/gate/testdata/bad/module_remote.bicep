@description('Region.')
param location string

module m 'br/public:avm/res/storage/storage-account:0.9.0' = { // ERROR: a file of this folder
  name: 'm'
  params: {
    location: location
  }
}
