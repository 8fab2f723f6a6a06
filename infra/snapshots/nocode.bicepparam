// Without the code: somebody publishes a package of their own afterwards. Another region than the group's.
using '../main.bicep'

param cloud = 'AzureCloud'
param packageUri = ''
param location = 'swedencentral'
