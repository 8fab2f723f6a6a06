// Microsoft Graph application permissions of the app's identity. Whoever deploys this needs the role Privileged Role Administrator.
extension microsoftGraphV1

@description('Object id of the identity.')
param principalId string

@description('Names of application permissions of Microsoft Graph.')
@minLength(1)
param permissions string[]

resource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '00000003-0000-0000-c000-000000000000'
}

resource grants 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [for permission in permissions: {
  appRoleId: filter(graph.appRoles, role => role.value == permission)[0].id
  principalId: principalId
  resourceId: graph.id
}]
