@description('Region.')
param location string

resource setting 'microsoft.aadiam/diagnosticSettings@2017-04-01' = { // ERROR: can't be deployed to a resourceGroup
  name: 'archive'
  properties: {
    logs: []
  }
}

@description('The value.')
output l string = location
