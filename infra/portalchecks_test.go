package infra_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/settings"
)

const (
	playedSubscription = "/subscriptions/11111111-1111-4111-8111-111111111111"
	playedID           = "1f2e3d4c-0000-4000-8000-000000000001"
)

// What the form asks Azure Resource Manager.
const (
	askApp       = playedSubscription + "/providers/Microsoft.App?api-version=2021-04-01"
	askProviders = playedSubscription + "/providers?api-version=2021-04-01"
	askRegions   = playedSubscription + "/providers/Microsoft.Web/geoRegions?sku=FlexConsumption&api-version=2024-04-01"
	askExisting  = playedSubscription + "/resources?api-version=2021-04-01&$filter=tagName eq 'entraledger'"
	askSkus      = playedSubscription + "/providers/Microsoft.Storage/skus?api-version=2023-05-01"
)

type object = map[string]any

// fine is a subscription in which everything is as it should be, and a person who touches nothing.
func fine() answers {
	registered := []any{}
	for _, name := range []string{"Microsoft.App", "Microsoft.Web", "microsoft.insights", "Microsoft.Storage",
		"Microsoft.OperationalInsights", "Microsoft.ManagedIdentity", "Microsoft.Network"} {
		registered = append(registered, object{"namespace": name, "registrationState": "Registered"})
	}
	registered = append(registered, object{"namespace": "Microsoft.Bing", "registrationState": "NotRegistered"})
	return answers{
		scope: object{
			"subscription":  object{"subscriptionId": strings.TrimPrefix(playedSubscription, "/subscriptions/")},
			"resourceGroup": object{"id": playedSubscription + "/resourceGroups/rg-ledger", "name": "rg-ledger"},
			"location":      object{"name": "westeurope", "displayName": "West Europe"},
		},
		arm: object{
			askApp:       object{"namespace": "Microsoft.App", "registrationState": "Registered"},
			askProviders: object{"value": registered},
			askRegions:   object{"value": []any{object{"name": "West Europe"}, object{"name": "UK West"}}},
			askExisting: object{"value": []any{
				tagged("rg-other", "Microsoft.Web/sites"),
				tagged("rg-ledger", "Microsoft.OperationalInsights/workspaces"),
			}},
			askSkus: object{"value": []any{
				sku("Standard_LRS", "westeurope", nil), sku("Standard_ZRS", "West Europe", []any{}),
				sku("Standard_GZRS", "westeurope", []any{"not for you"}), sku("Premium_LRS", "westeurope", nil),
				sku("Standard_LRS", "ukwest", nil), sku("Standard_GRS", "ukwest", nil),
			}},
		},
		choices: object{},
	}
}

func tagged(group, kind string) object {
	return object{"id": playedSubscription + "/resourceGroups/" + group + "/providers/" + kind + "/x", "type": kind}
}

func sku(name, location string, restrictions any) object {
	return object{"name": name, "kind": "StorageV2", "locations": []any{location}, "restrictions": restrictions}
}

// textCases are texts that are right and wrong for each box. setting: what of the app reads it,
// too.
var textCases = []struct {
	place, setting string
	good, bad      []string
}{
	{"basics.name", "", []string{"led", "ledger", "a1b2c3d4e5f"},
		[]string{"", "le", "a1b2c3d4e5f6", "Ledger", "led-ger", "led ger", "lédger"}},
	{"basics.alertEmails", "", []string{"", "it@contoso.com", "it@contoso.com, a.b+c@d.example,e@f.gh"},
		[]string{"it", "it@contoso", "it@contoso.com;a@b.cd", "it@contoso.com,", "it@contoso.com a@b.cd", "a@@b.cd"}},
	{"logs.retention", "ARCHIVE_RETENTION",
		[]string{"forever", "35d", "99d", "400d", "36500d", "29999d", "forever, signIns.nonInteractiveUser=400d",
			"90d,directoryAudits=forever,provisioning=35d"},
		[]string{"34d", "0d", "36501d", "99999d", "400", "a year", "forever,400d", "forever,signIns=400d",
			"forever,directoryAudits=", "*=400d"}},
	{"logs.hold", "ARCHIVE_HOLD",
		[]string{"", "*=2026-01-01/2026-03-31", "directoryAudits=2026-02-28/2026-02-28",
			"*=2024-02-29/2026-12-31, signIns.servicePrincipal=2025-04-30/2025-05-01"},
		[]string{"*", "2026-01-01/2026-03-31", "*=2026-03-31/2026-01-01", "*=2026-02-29/2026-03-31",
			"*=2026-04-31/2026-05-31", "*=2026-13-01/2026-14-01", "*=2026-1-1/2026-3-31",
			"audits=2026-01-01/2026-03-31",
			"*=2026-01-01", "*=2026-01-01/2026-03-31,", "*=2026-01-01/2026-01-31,*=2026-03-01/2026-02-01"}},
	{"logs.snapshotGroups", "SNAPSHOT_GROUPS",
		[]string{"", playedID, playedID + ", " + strings.ToUpper(playedID), listOf(20)},
		[]string{"break-glass", playedID + ",", listOf(21), "{" + playedID + "}"}},
	{"archive.headsImmutableDays", "", []string{"1", "9", "365", "10000", "36500"},
		[]string{"", "0", "-1", "36501", "100000", "1.5", "a year", "007"}},
	{"access.networkAddressPrefix", "",
		[]string{"10.90.0.0/24", "10.0.255.0/24", "172.16.0.0/24", "172.31.9.0/24", "192.168.7.0/24"},
		[]string{"", "10.90.0.0/16", "10.90.0.4/24", "10.256.0.0/24", "172.32.0.0/24", "172.15.0.0/24", "8.8.8.0/24",
			"10.90.0.0", "192.169.1.0/24"}},
	{"access.entraClientId", "", []string{"", playedID, strings.ToUpper(playedID)},
		[]string{"ledger", "{" + playedID[1:35] + "}", playedID + "0", strings.ReplaceAll(playedID, "-", "")}},
	{"access.tags", "", []string{"", "team=identity",
		"team=identity & access, cost centre=4711,url=https://a.example/b?c"},
		[]string{"team", "team=", "=identity", "a=b=c", `a="b"`, `a=b\`, "a=b,,c=d", "a=b,", "a?=b", "a =b"}},
}

// checkTexts goes through these, and asks the app's own reader of settings as well.
func checkTexts(_ []byte, f *formDefinition, _ *deployTemplate) error {
	for _, c := range textCases {
		for i, text := range append(slices.Clone(c.good), c.bad...) {
			good := i < len(c.good)
			a := fine()
			a.choices["access.network"] = "private"
			a.choices[c.place] = text
			form, err := f.play(a)
			if err != nil {
				return err
			}
			if _, refused := form.refused[c.place]; refused == good || len(form.refused) > 1 {
				return fmt.Errorf("%s: %q is taken the wrong way: %v", c.place, text, form.refused)
			}
			if c.setting == "" || text == "" {
				continue
			}
			if err := readByTheApp(c.setting, text); (err == nil) != good {
				return fmt.Errorf("%s: the app reads %q otherwise: %w", c.place, text, err)
			}
		}
	}
	return nil
}

func listOf(n int) string { return strings.Join(slices.Repeat([]string{playedID}, n), ",") }

func readByTheApp(setting, value string) error {
	_, err := settings.Load(func(name string) string {
		return map[string]string{"ARCHIVE_STORAGE": "UseDevelopmentStorage=true", setting: value}[name]
	})
	return err
}

// A change to a subscription in which all is well.

func unregistered(name, state string) func(answers) {
	return func(a answers) {
		if name == "Microsoft.App" {
			a.arm[askApp] = object{"namespace": name, "registrationState": state}
		}
		for _, p := range a.arm[askProviders].(object)["value"].([]any) {
			if p.(object)["namespace"] == name {
				p.(object)["registrationState"] = state
			}
		}
	}
}

func unread(paths ...string) func(answers) {
	return func(a answers) {
		for _, path := range paths {
			a.arm[path] = nil
		}
	}
}

func here(group, kind string) func(answers) {
	return func(a answers) { a.arm[askExisting] = object{"value": []any{tagged(group, kind)}} }
}

func region(name, displayed, redundancy string) func(answers) {
	return func(a answers) {
		a.scope["location"] = object{"name": name, "displayName": displayed}
		a.choices["archive.redundancy"] = redundancy
	}
}

func privately(a answers) { a.choices["access.network"] = "private" }

func both(first, second func(answers)) func(answers) {
	return func(a answers) {
		first(a)
		second(a)
	}
}

// stopCases are subscriptions in a wrong state: where the form stops (empty: nowhere), with which
// message, and which note.
var stopCases = []struct {
	name               string
	change             func(answers)
	stops, says, notes string
}{
	{"all is well", func(answers) {}, "", "", ""},
	{"Microsoft.App is not registered", unregistered("Microsoft.App", "NotRegistered"), "basics.name",
		"az provider register --wait --namespace Microsoft.App",
		"--subscription " + strings.TrimPrefix(playedSubscription, "/subscriptions/") + " --namespace"},
	{"Microsoft.App is being registered", unregistered("Microsoft.App", "Registering"), "basics.name",
		"reload", "Microsoft.App"},
	{"Microsoft.App is not registered, and the others can't be read",
		both(unregistered("Microsoft.App", "NotRegistered"), unread(askProviders)), "basics.name",
		"needs the resource provider Microsoft.App", ""},
	{"another provider is not registered", unregistered("microsoft.insights", "NotRegistered"), "basics.name",
		"note above", "for p in microsoft.insights; do"},
	{"to register takes rights, and the note says so", unregistered("microsoft.insights", "NotRegistered"),
		"basics.name",
		"note above", "It takes Contributor or Owner of the subscription, not of the resource group alone"},
	{"Microsoft.Network is not registered, and no network is wanted",
		unregistered("Microsoft.Network", "NotRegistered"), "", "", ""},
	{"Microsoft.Network is not registered, and a network is wanted",
		both(unregistered("Microsoft.Network", "NotRegistered"), privately),
		"access.networkAddressPrefix", "Microsoft.Network is not registered",
		"--namespace Microsoft.Network. It takes Contributor or Owner of the subscription"},
	{"a network is wanted", privately, "", "", ""},
	{"a network is wanted, and providers can't be read", both(unread(askProviders), privately), "", "", ""},
	{"one that nobody needs is not registered", unregistered("Microsoft.Bing", "Unregistered"), "", "", ""},
	{"providers can't be read", unread(askApp, askProviders), "", "", ""},
	{"the region has no Flex Consumption", region("westus9", "West US 9", "Standard_ZRS"), "basics.name",
		"Flex Consumption is not offered", "It is offered in: West Europe, UK West."},
	{"regions can't be read", unread(askRegions), "", "", ""},
	{"an app is there", here("rg-ledger", "Microsoft.Web/sites"), "basics.name", "first deployment", "legal hold"},
	{"an app is there, in other letters", here("RG-Ledger", "microsoft.web/Sites"), "basics.name",
		"first deployment", "upgrading"},
	{"an archive is there", here("rg-ledger", "Microsoft.Storage/storageAccounts"), "basics.name",
		"first deployment", "infra/deploy.sh"},
	{"an app is in a group of a similar name", here("rg-ledger-2", "Microsoft.Web/sites"), "", "", ""},
	{"what is there can't be read", unread(askExisting), "basics.name", "can't be read", ""},
	{"the region has no zones", region("ukwest", "UK West", "Standard_ZRS"), "archive.headsImmutableDays",
		"not offered in the region", "It offers: Standard_LRS, Standard_GRS."},
	{"the region has no zones, and none are wanted", region("ukwest", "UK West", "Standard_GRS"), "", "", ""},
	{"the redundancy is not for this subscription", region("westeurope", "West Europe", "Standard_GZRS"),
		"archive.headsImmutableDays", "not offered", "Standard_LRS, Standard_ZRS."},
	{"redundancies can't be read", both(region("ukwest", "UK West", "Standard_ZRS"), unread(askSkus)), "", "", ""},
	{"no log is chosen", func(a answers) { a.choices["logs.streams"] = []any{} }, "logs.streams", "needed", ""},
}

// checkStops plays them.
func checkStops(_ []byte, f *formDefinition, _ *deployTemplate) error {
	for _, c := range stopCases {
		a := fine()
		c.change(a)
		form, err := f.play(a)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		note := ""
		for _, text := range form.notes {
			note += text
		}
		message, stopped := form.refused[c.stops]
		switch {
		case stopped != (c.stops != "") || len(form.refused) > 1 || !stopped && len(form.refused) > 0:
			return fmt.Errorf("%s: it stops at %v", c.name, form.refused)
		case !strings.Contains(message, c.says) || !strings.Contains(note, c.notes) || (c.notes == "") != (note == ""):
			return fmt.Errorf("%s: it says %q, and %q", c.name, message, note)
		}
	}
	return nil
}

// filledIn are completed forms, for a small and a large tenant, and their results.
func filledIn() []struct{ choices, outputs object } {
	every := []any{}
	for _, s := range logs.Streams() {
		every = append(every, string(s))
	}
	return []struct{ choices, outputs object }{
		{object{
			"basics.name": "led", "logs.streams": []any{"directoryAudits"}, "logs.backfill": "0d",
			"archive.redundancy": "Standard_LRS", "archive.lockArchive": false,
		}, object{
			"name": "led", "location": "westeurope", "streams": []any{"directoryAudits"}, "backfill": "0d",
			"archiveRedundancy": "Standard_LRS", "lockArchive": false, "instanceMemoryMB": 512.0,
			"alertEmails":    []any{},
			"snapshotGroups": []any{}, "tags": object{}, "hold": "", "network": "public",
			"networkAddressPrefix": "10.90.0.0/24",
		}},
		{object{
			"basics.name": "a1b2c3d4e5f", "basics.size": "large", "basics.alertEmails": "it@contoso.com, a@b.cd",
			"basics.alertAfter": "24h", "logs.streams": every, "logs.retention": "forever, provisioning=400d",
			"logs.hold":           "*=2026-01-01/2026-03-31, provisioning=2026-05-01/2026-05-01",
			"logs.snapshotGroups": playedID + " , " + playedID, "archive.headsImmutableDays": "2555",
			"archive.auditArchiveAccess": true, "access.network": "private",
			"access.networkAddressPrefix": "172.16.0.0/24",
			"access.entraClientId":        playedID,
			"access.tags":                 "cost centre=4711, url=https://a.example/b?c ,team=i & a",
		}, object{
			"name": "a1b2c3d4e5f", "streams": every, "alertEmails": []any{"it@contoso.com", "a@b.cd"},
			"alertAfter":     "24h",
			"retention":      "forever,provisioning=400d",
			"hold":           "*=2026-01-01/2026-03-31,provisioning=2026-05-01/2026-05-01",
			"snapshotGroups": []any{playedID, playedID}, "headsImmutableDays": 2555.0, "auditArchiveAccess": true,
			"network": "private", "networkAddressPrefix": "172.16.0.0/24", "entraClientId": playedID,
			"instanceMemoryMB": 2048.0, "logDailyCapGb": 5.0,
			"tags": object{"cost centre": "4711", "url": "https://a.example/b?c", "team": "i & a"},
		}},
	}
}

// checkChoices fills in the form, and hands the template what comes out.
func checkChoices(_ []byte, f *formDefinition, t *deployTemplate) error {
	for _, c := range filledIn() {
		a := fine()
		a.choices = c.choices
		form, err := f.play(a)
		if err != nil || len(form.refused) > 0 {
			return fmt.Errorf("%v: %w, refused: %v", c.choices, err, form)
		}
		for name, want := range c.outputs {
			if !reflect.DeepEqual(form.outputs[name], want) {
				return fmt.Errorf("%s is %#v, and should be %#v", name, form.outputs[name], want)
			}
		}
		for name, value := range form.outputs {
			if err := t.Parameters[name].accepts(value); err != nil {
				return fmt.Errorf("parameter %s: %w", name, err)
			}
		}
	}
	return everyListIsRead(f)
}

// everyListIsRead asks the app whether it understands each value that can be chosen.
func everyListIsRead(f *formDefinition) error {
	for place, setting := range map[string]string{
		"logs.backfill": "ARCHIVE_BACKFILL", "basics.alertAfter": "ARCHIVE_ALERT_AFTER",
		"logs.streams": "ARCHIVE_STREAMS",
	} {
		for _, choice := range f.control(place).Constraints.AllowedValues {
			if err := readByTheApp(setting, fmt.Sprint(choice.Value)); err != nil {
				return err
			}
		}
	}
	if len(f.control("logs.streams").Constraints.AllowedValues) != len(logs.Streams()) {
		return errors.New("not every log can be chosen")
	}
	return nil
}
