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
output n int = m.outputs.name // ERROR: expected int, got string
