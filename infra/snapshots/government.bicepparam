// Another cloud than the public one. The compiler leaves environment() open, so that its suffixes stay expressions.
using '../main.bicep'

param cloud = 'AzureUSGovernment'
param network = 'private'
param entraClientId = '33333333-3333-4333-8333-333333333333'
