@description('Identity.')
param principalId string

resource grant 'Microsoft.Graph/appRoleAssignedTo@v1.0' = { // ERROR: no resource type
  appRoleId: 'x'
  principalId: principalId
  resourceId: 'y'
}
