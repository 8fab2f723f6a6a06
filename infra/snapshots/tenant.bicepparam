// The tenant's own diagnostic settings, to an event hub, with the audits of custom security attributes.
using '../tenant.bicep'

param eventHubAuthorizationRuleId = '/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-hubs/providers/Microsoft.EventHub/namespaces/evhns/authorizationRules/entra'
param eventHubName = 'entra'
param customSecurityAttributes = true
