// Another release for an app that is there.
using '../upgrade.bicep'

param appName = 'func-ledger-7vewlqxk'
param release = 'v9.8.7-rc.1'
