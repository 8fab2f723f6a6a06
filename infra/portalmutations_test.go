package infra_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAMistakeInThePortalsFormIsFound makes one mistake at a time, and expects the named check to
// find it.
func TestAMistakeInThePortalsFormIsFound(t *testing.T) {
	raw, err := os.ReadFile("portal.json")
	require.NoError(t, err)
	template, err := readTemplate()
	require.NoError(t, err)
	tag, err := os.ReadFile("release.txt")
	require.NoError(t, err)
	release := strings.TrimSpace(string(tag))
	const (
		schema, help, expressions, outputs, lists = 0, 1, 2, 3, 4
		providers, sizes, texts, stops, choices   = 5, 6, 7, 8, 9
	)
	cases := []struct {
		name, from, to string // every from becomes to
		found          int    // by this check
	}{
		{"a control of another kind", `"Microsoft.Common.TextBox"`, `"Microsoft.Common.NumberBox"`, schema},
		{"a key that the schema has not", `"label": "Legal hold",`, `"label": "Legal hold", "infoMessages": [],`,
			schema},
		{"no label", `"label": "Legal hold",`, ``, schema},
		{"an empty label", `"label": "Legal hold",`, `"label": "",`, help},
		{"no help", `"toolTip": "Where everything is kept. It has to offer Flex Consumption.",`, ``, help},
		{"a link to nowhere", `#what-the-button-refuses`, `#what-it-refuses`, help},
		{"help from a page that is not there", `docs/security.md#the-heads`, `docs/secrecy.md`, help},
		{"a refusal without words", `"message": "A hold ends before it begins: write the first day first."`,
			`"message": "no"`, help},
		{"a control that is not there", `steps('logs').retention,`, `steps('logs').retentoin,`, expressions},
		{"a step that is not there", `steps('access').entraClientId`, `steps('accessible').entraClientId`, expressions},
		{"a bracket too few", `"[steps('logs').backfill]"`, `"[concat(steps('logs').backfill]"`, expressions},
		{"a name that is there twice", `"name": "entraClientId"`, `"name": "network"`, expressions},
		{"a parameter that is not there", `"alertEmails": "[filter`, `"alertMails": "[filter`, outputs},
		{"a parameter that is left out", `"backfill": "[steps('logs').backfill]",`, ``, outputs},
		{"a parameter twice decided", `"hold": "[replace`, `"headsLocked": "[replace`, outputs},
		{"another default", `"defaultValue": "365"`, `"defaultValue": "30"`, lists},
		{"another default of a list", `"defaultValue": "Zone-redundant (ZRS)"`, `"defaultValue": "Geo-redundant (GRS)"`,
			lists},
		{"a default that is no label", `"defaultValue": "30 days"`, `"defaultValue": "30d"`, lists},
		{"no lock by default", `"defaultValue": "Yes"`, `"defaultValue": "No"`, lists},
		{"a value that the template refuses", `"value": "Standard_GZRS"`, `"value": "Premium_ZRS"`, lists},
		{"a log fewer by default", `\"provisioning\"]')]"`, `\"directoryAudits\"]')]"`, lists},
		{"a log that can't be chosen", `"value": "customSecurityAttributeAudits"`, `"value": "riskyUsers"`, lists},
		{"a page of another release", `blob/v`, `blob/w`, help},
		{"a page of main", `blob/` + release + `/docs/security.md#the-heads`, `blob/main/docs/security.md#the-heads`,
			help},
		{"a provider fewer", `\"microsoft.insights\",`, ``, providers},
		{"a provider too many", `\"microsoft.insights\",`, `\"microsoft.insights\",\"microsoft.bing\",`, providers},
		{"regions of something else", `"Microsoft.Storage/storageAccounts",`, `"Microsoft.Compute/virtualMachines",`,
			providers},
		{"sizes swapped", `'large'), 2048, 512`, `'large'), 512, 2048`, sizes},
		{"a schedule that is not the file's", `0 */15 * * * *`, `0 */20 * * * *`, sizes},
		{"names of 12", `{3,11}$`, `{3,12}$`, texts},
		{"names with capitals", `^[a-z0-9]{3,11}$`, `^[a-zA-Z0-9]{3,11}$`, texts},
		{"a month of retention", `(3[5-9]|[4-9][0-9]|`, `([3-9][0-9]|`, texts},
		{"too long a retention", `36[0-4][0-9]{2}|36500)d`, `36[0-9]{3})d`, texts},
		{"a log whose name is wrong", `signIns\\.nonInteractiveUser|`, `signIns\\.nonInteractive|`, texts},
		{"the 31st of April", `(0[469]|11)-(0[1-9]|[12][0-9]|30)`, `(0[469]|11)-(0[1-9]|[12][0-9]|3[01])`, texts},
		{"holds backwards", `(item) => greater(`, `(item) => equals(`, texts},
		{"21 groups", `){0,19})?$`, `){0,20})?$`, texts},
		{"no end of an id", `-[0-9a-fA-F]{12})?$`, `-[0-9a-fA-F]{12}.*)?$`, texts},
		{"heads for ever", `36[0-4][0-9]{2}|36500)$`, `[0-9]{5})$`, texts},
		{"public addresses", `^(10\\.`, `^([0-9]+\\.`, texts},
		{"a wider network", `\\.0/24$`, `\\.0/(16|24)$`, texts},
		{"quotes in tags", `[^=,\"\\\\\\s]`, `[^=,\\\\\\s]`, texts},
		{"an app may be there", `\"microsoft.web/sites\",`, ``, stops},
		{"an archive may be there", `,\"microsoft.storage/storageaccounts\"`, ``, stops},
		{"groups compared by letters", `toLower(item.id)`, `item.id`, stops},
		{"groups compared by how they begin", `(steps('basics').resourceScope.resourceGroup.name, ''), '/')`,
			`(steps('basics').resourceScope.resourceGroup.name, ''), '')`, stops},
		{"what can't be read is not there", `parse('{}')), 'value')`, `parse('{\"value\":0}')), 'value')`, stops},
		{"another tag", `'entraledger', decode`, `'ledger', decode`, stops},
		{"Microsoft.Network wherever", `\"microsoft.insights\",`, `\"microsoft.insights\",\"microsoft.network\",`,
			providers},
		{"Microsoft.Network nowhere", `toLower(item.namespace), 'microsoft.network'`,
			`toLower(item.namespace), 'microsoft.net'`, stops},
		{"a note where no network is wanted", `[and(equals(steps('access').network, 'private'), not(empty(`,
			`[and(true, not(empty(`, stops},
		{"rights that aren't told", `It takes Contributor or Owner of the subscription`, `Ask`, stops},
		{"any state will do", `registrationState, 'Registered'))`, `registrationState, 'NotRegistered'))`, stops},
		{"Microsoft.App will do as it is", `containerApps.registrationState, 'Registered')`,
			`containerApps.namespace, 'Microsoft.App')`, stops},
		{"no command", `az provider register --wait --namespace Microsoft.App`, `register it`, stops},
		{"regions as they are displayed", `replace(toLower(item.name), ' ', '')`, `item.name`, stops},
		{"redundancies of every region", `concat('\"', coalesce(steps('basics').resourceScope.location.name, ''), '\"')`, `''`, stops},
		{"redundancies that are not for us", `empty(item.restrictions), `, ``, stops},
		{"another address", `geoRegions?sku=FlexConsumption`, `geoRegions?sku=Dynamic`, stops},
		{"asked before a subscription is chosen", `"condition": "[not(empty(steps('basics').resourceScope.subscription.subscriptionId))]"`, `"condition": "[true]"`, stops},
		{"a list that may be missing", `coalesce(steps('archive').skus.value, parse('[]'))`,
			`steps('archive').skus.value`, stops},
		{"a number as a text", `"[int(steps('archive').headsImmutableDays)]"`,
			`"[steps('archive').headsImmutableDays]"`, choices},
		{"a text as a list", `"alertEmails": "[filter(split(replace(coalesce(steps('basics').alertEmails, ''), ' ', ''), ','), (item) => not(empty(item)))]"`, `"alertEmails": "[steps('basics').alertEmails]"`, choices},
		{"blanks in settings", `"[replace(coalesce(steps('logs').hold, ''), ' ', '')]"`, `"[steps('logs').hold]"`,
			choices},
		{"two values exchanged", `"backfill": "[steps('logs').backfill]"`, `"backfill": "[steps('basics').alertAfter]"`,
			choices},
		{"an age that the app can't read", `"value": "24h"`, `"value": "1 day"`, choices},
		{"tags without an end", `, '=', '\":\"')`, `, '=', '\"=\"')`, choices},
		{"a prefix that nobody gave", `steps('access').networkAddressPrefix, '10.90`, `'10.91.0.0/24', '10.90`,
			choices},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.Contains(t, string(raw), c.from)
			mutated := []byte(strings.ReplaceAll(string(raw), c.from, c.to))
			f, err := readForm(mutated)
			if err == nil {
				err = formChecks[c.found].run(mutated, f, template)
			}
			require.Error(t, err)
			t.Log(err)
		})
	}
}
