// Without the code: somebody publishes a package of their own afterwards.
using '../main.bicep'

param cloud = 'AzureCloud'
param packageUri = ''
