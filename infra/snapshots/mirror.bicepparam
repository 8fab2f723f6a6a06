// Another release, from a place of one's own.
using '../upgrade.bicep'

param appName = 'func-ledger-7vewlqxk'
param packageUri = 'https://packages.contoso.example/entraledger.zip'
