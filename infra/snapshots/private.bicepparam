// Storage behind private endpoints.
using '../main.bicep'

param cloud = 'AzureCloud'
param network = 'private'
