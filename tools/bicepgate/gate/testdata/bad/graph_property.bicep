extension microsoftGraphV1

@description('Identity.')
param principalId string

resource grant 'Microsoft.Graph/appRoleAssignedTo@v1.0' = { // ERROR: grant.appRoleId is required
  roleId: 'x' // ERROR: no grant.roleId
  principalId: principalId
  resourceId: 'y'
}
