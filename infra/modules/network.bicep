// A network of the app's own: the app goes out through one subnet, the storage accounts answer in the other. HTTP to the app stays public, for flows.
import { tagValues } from '../types.bicep'

@description('Base of the names.')
param baseName string

@description('Region.')
param location string

@description('Tags.')
param tags tagValues

// DNS zones and their links take no blanks and few other characters in the names of tags, no leading digit, and 15 tags at most.
@description('Tags of the DNS zones and their links.')
param zoneTags tagValues

@description('Addresses of the network: a /24.')
param addressPrefix string

@description('The Functions host\'s storage account.')
param hostStorageId string

@description('The archive\'s storage account.')
param archiveStorageId string

var services = [
  'blob'
  'queue'
  'table'
]
var endpoints = [
  { name: 'host-blob', ofArchive: false, service: 'blob', zone: 0 }
  { name: 'host-queue', ofArchive: false, service: 'queue', zone: 1 }
  { name: 'host-table', ofArchive: false, service: 'table', zone: 2 }
  { name: 'archive-blob', ofArchive: true, service: 'blob', zone: 0 }
  { name: 'archive-table', ofArchive: true, service: 'table', zone: 2 }
]

// Nothing on the internet has business in the subnet with the storage.
resource rules 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: 'nsg-${baseName}'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'no-internet'
        properties: {
          priority: 4000
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: 'vnet-${baseName}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
          networkSecurityGroup: {
            id: rules.id
          }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for service in services: {
    name: 'privatelink.${service}.${environment().suffixes.storage}'
    location: 'global'
    tags: zoneTags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (service, i) in services: {
    parent: zones[i]
    name: 'link-${service}-${baseName}'
    location: 'global'
    tags: zoneTags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: network.id
      }
    }
  }
]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for endpoint in endpoints: {
    name: 'pep-${endpoint.name}-${baseName}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: network.properties.subnets[1].id
      }
      privateLinkServiceConnections: [
        {
          name: endpoint.name
          properties: {
            privateLinkServiceId: endpoint.ofArchive ? archiveStorageId : hostStorageId
            groupIds: [
              endpoint.service
            ]
          }
        }
      ]
    }
  }
]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (endpoint, i) in endpoints: {
    parent: privateEndpoints[i]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: endpoint.service
          properties: {
            privateDnsZoneId: zones[endpoint.zone].id
          }
        }
      ]
    }
  }
]

@description('Subnet that the app goes out through.')
output appSubnetId string = network.properties.subnets[0].id
