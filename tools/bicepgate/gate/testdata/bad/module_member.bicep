@description('Region.')
param location string

module m '../good/module.bicep' = {
  name: 'm'
  params: {
    location: location
    size: 2
  }
}

@description('The value.')
output n string = m.name2 // ERROR: no "name2"
