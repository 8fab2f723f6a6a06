// The app's identity. It is a resource of its own, so that its grants stand before the app does and outlive it.
import { tagValues } from '../types.bicep'

@description('Name of the identity.')
@minLength(3)
@maxLength(128)
param name string

@description('Region.')
param location string

@description('Tags.')
param tags tagValues

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id of the identity.')
output id string = identity.id

@description('Object id of its service principal, for roles and grants.')
output principalId string = identity.properties.principalId

@description('Client id, for the settings of the app.')
output clientId string = identity.properties.clientId
