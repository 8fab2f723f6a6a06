package snapshots_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// inNetwork are the services that are reached through endpoints, by the account and the name's end:
// the host uses all three, the archive tables and blobs.
var inNetwork = []string{"h blob", "h queue", "h table", "a blob", "a table"}

var networkRules = map[string]rule{
	"there is a network where it is private, and none otherwise": func(s *snapshot) (out []string) {
		wanted := map[string]int{networks: 0, firewalls: 0, endpoints: 0, zoneGroups: 0, zones: 0, zoneLinks: 0}
		if s.private {
			wanted = map[string]int{networks: 1, firewalls: 1, endpoints: 5, zoneGroups: 5, zones: 3, zoneLinks: 3}
		}
		for kind, n := range wanted {
			out = append(out, wantCount(s, kind, n)...)
		}
		return out
	},
	"private endpoints are for the services that are used, and names resolve to them": func(s *snapshot) (out []string) {
		if !s.private {
			return nil
		}
		suffix := clouds[s.cloud]["suffixes"].(map[string]any)["storage"].(string)
		var have []string
		for _, r := range s.of(endpoints) {
			connection, _ := r.list("privateLinkServiceConnections")[0].(map[string]any)
			c := &predicted{Properties: connection}
			service := textOf(c.list("properties.groupIds")[0])
			id := textOf(c.at("properties.privateLinkServiceId"))
			account := map[string]string{s.account("a"): "a", s.account("h"): "h"}[id]
			have = append(have, account+" "+service)
			out = append(out, want(r, "subnet.id", open(fmt.Sprintf("reference('%s', '%s').subnets[1].id",
				textOf(s.one(networks).ID),
				s.one(networks).APIVersion)))...)
			if got := s.zoneOf(r); got != "privatelink."+service+"."+suffix {
				out = append(out, fmt.Sprintf("%s is resolved by %s", r.name(), got))
			}
		}
		slices.Sort(have)
		if wanted := slices.Sorted(slices.Values(inNetwork)); !slices.Equal(wanted, have) {
			out = append(out, fmt.Sprintf("endpoints are for %v, not %v", have, wanted))
		}
		return out
	},
	"each zone is linked to the network": func(s *snapshot) (out []string) {
		var linked, made []string
		for _, r := range s.of(zoneLinks) {
			linked = append(linked, strings.Split(r.name(), "/")[0])
			out = append(out, wantAll(r, map[string]any{"virtualNetwork.id": textOf(s.one(networks).ID),
				"registrationEnabled": false})...)
		}
		for _, r := range s.of(zones) {
			made = append(made, r.name())
		}
		slices.Sort(linked)
		if slices.Sort(made); !slices.Equal(made, linked) {
			out = append(out, fmt.Sprintf("the zones %v, links of %v", made, linked))
		}
		return out
	},
	"the app goes out through a subnet of its own, large enough and in the network": subnetsFit,
	"the internet does not reach the subnet of the endpoints": func(s *snapshot) (out []string) {
		if !s.private {
			return nil
		}
		for _, v := range s.one(firewalls).list("securityRules") {
			r := &predicted{Properties: v.(map[string]any)}
			if r.at("properties.access") == "Allow" {
				out = append(out, fmt.Sprintf("the rule %v lets in", r.at("name")))
			}
			if r.at("properties.direction") == "Inbound" && r.at("properties.access") == "Deny" &&
				r.at("properties.sourceAddressPrefix") == "Internet" &&
				r.at("properties.destinationPortRange") == "*" && r.at("properties.protocol") == "*" {
				return out
			}
		}
		return append(out, "no rule keeps the internet out")
	},
}

// zoneOf is the name of the zone that an endpoint's group registers it in.
func (s *snapshot) zoneOf(endpoint *predicted) string {
	for _, r := range s.of(zoneGroups) {
		if r.name() != endpoint.name()+"/default" {
			continue
		}
		config, _ := r.list("privateDnsZoneConfigs")[0].(map[string]any)
		id := textOf((&predicted{Properties: config}).at("properties.privateDnsZoneId"))
		for _, zone := range s.of(zones) {
			if textOf(zone.ID) == id {
				return zone.name()
			}
		}
	}
	return "nothing"
}

func subnetsFit(s *snapshot) (out []string) {
	if !s.isApp() {
		return nil
	}
	if !s.private {
		return want(s.one(sites), "virtualNetworkSubnetId", nil)
	}
	network := s.one(networks)
	subnet := fmt.Sprintf("reference('%s', '%s').subnets[0].id", textOf(network.ID), network.APIVersion)
	out = want(s.one(sites), "virtualNetworkSubnetId", open("if(empty("+subnet+"), null(), parameters('subnetId'))"))
	whole, err := netip.ParsePrefix(textOf(network.list("addressSpace.addressPrefixes")[0]))
	if err != nil {
		return append(out, err.Error())
	}
	subnets := network.list("subnets")
	if len(subnets) != 2 {
		return append(out, fmt.Sprintf("there are %d subnets", len(subnets)))
	}
	var ranges []netip.Prefix
	for _, v := range subnets {
		r := &predicted{Properties: v.(map[string]any)}
		part, err := netip.ParsePrefix(textOf(r.at("properties.addressPrefix")))
		// 40 instances and Azure's reserved addresses need a /26.
		if err != nil || !whole.Contains(part.Addr()) || part.Bits() < whole.Bits() || part.Bits() > 26 {
			out = append(out, fmt.Sprintf("the subnet %v is %v of %v", r.at("name"), part, whole))
		}
		ranges = append(ranges, part)
	}
	if ranges[0].Overlaps(ranges[1]) {
		out = append(out, "the subnets overlap")
	}
	app, behind := &predicted{Properties: subnets[0].(map[string]any)},
		&predicted{Properties: subnets[1].(map[string]any)}
	delegations := app.list("properties.delegations")
	if len(delegations) != 1 {
		return append(out, "the app's subnet is not delegated")
	}
	delegation := &predicted{Properties: delegations[0].(map[string]any)}
	out = append(out, want(delegation, "properties.serviceName", "Microsoft.App/environments")...)
	return append(out, wantAll(behind, map[string]any{"properties.networkSecurityGroup.id": textOf(s.one(firewalls).ID),
		"properties.privateEndpointNetworkPolicies": "Enabled"})...)
}
