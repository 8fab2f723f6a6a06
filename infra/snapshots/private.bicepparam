// Storage behind private endpoints, in a network with addresses of its own.
using '../main.bicep'

param cloud = 'AzureCloud'
param network = 'private'
param networkAddressPrefix = '10.91.7.0/24'
