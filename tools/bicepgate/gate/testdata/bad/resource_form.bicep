@description('Region.')
param location string

resource plan 'Microsoft.Web/serverfarms@2023-12-01' = {
  name: 'plan'
  location: location
}

resource app 'Microsoft.Web/sites@2023-12-01' = {
  name: 'app'
  location: location
  properties: {
    serverFarmId: plan.id
  }
}

resource auth 'Microsoft.Web/sites/config@2023-12-01' = { // ERROR: none of its forms
  parent: app
  name: 'authsettingsV3'
}
