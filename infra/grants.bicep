// Microsoft Graph application permissions of the app's identity, in a deployment of their own after the app's: the identity is known everywhere by then, and
// the app's own template stays one that the portal can deploy. Whoever deploys this needs the role Privileged Role Administrator. infra/grant.sh does
// the same without Bicep.
extension microsoftGraphV1

@description('Object id of the app\'s identity.')
@minLength(36)
@maxLength(36)
param principalId string

@description('Names of application permissions of Microsoft Graph.')
@minLength(1)
param permissions string[]

resource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '00000003-0000-0000-c000-000000000000'
}

resource grants 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for permission in permissions: {
    appRoleId: filter(graph.appRoles, role => role.value == permission)[0].id
    principalId: principalId
    resourceId: graph.id
  }
]
