// Another release for an app that is there, newer or older. Every setting stays as it is; names that this release reads and the app has not are added, and
// nothing else is touched: storage, network, authentication, alerts and grants stay. infra/deploy.sh brings those up to date.
import { wrongPackage, wrongRelease } from 'checks.bicep'

targetScope = 'resourceGroup'

@description('Name of the function app: func-... in the resource group.')
@minLength(2)
@maxLength(60)
param appName string

@description('Which release of the app is deployed, as its tag says: v1.2.3.')
@minLength(2)
@maxLength(64)
param release string = 'v0.1.0'

@description('Address of the package with the code.')
@minLength(8)
@maxLength(2048)
param packageUri string = 'https://github.com/entraledger/entraledger/releases/download/${release}/entraledger.zip'

// Said before anything is asked or written: all that comes needs the app's name.
var mistakes = filter([wrongRelease(release), wrongPackage(packageUri)], mistake => !empty(mistake))
var checkedName = empty(mistakes) ? appName : fail(join(mistakes, '; '))

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: checkedName
}

resource current 'Microsoft.Web/sites/config@2025-03-01' existing = {
  parent: app
  name: 'appsettings'
}

// What is there is read here and written in a module: one deployment can't do both to one resource.
module upgraded 'modules/upgraded.bicep' = {
  params: {
    appName: checkedName
    currentSettings: current.list().properties
    packageUri: packageUri
  }
}

@description('What to ask next: it names the release that runs, and what is missing.')
output preflightUrl string = 'https://${app.properties.defaultHostName}/api/preflight'
