package main

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// newToxic is a proxy for an address on loopback.
func newToxic(t *testing.T, name, upstream string) (*toxiproxy.Proxy, string) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return proxy, proxy.Listen
}

// TestANetworkThatBreaksLosesAndDoublesNothing breaks the connections to Graph and to the tables.
func TestANetworkThatBreaksLosesAndDoublesNothing(t *testing.T) {
	streams := []entra.Stream{logs.SignInsInteractiveUser}
	toxics := map[string]string{
		"reset":                     `{"name":"x","type":"reset_peer","stream":"downstream","attributes":{"timeout":20}}`,
		"answers cut":               `{"name":"x","type":"limit_data","stream":"downstream","attributes":{"bytes":9000}}`,
		"requests cut":              `{"name":"x","type":"limit_data","stream":"upstream","attributes":{"bytes":6000}}`,
		"silence":                   `{"name":"x","type":"timeout","stream":"downstream","attributes":{"timeout":300}}`,
		"small packets with delays": `{"name":"x","type":"slicer","stream":"downstream","attributes":{"average_size":900,"size_variation":300,"delay":200}}`,
	}
	for _, side := range []string{"graph", "tables"} {
		for name, toxic := range toxics {
			t.Run(side+" "+name, func(t *testing.T) {
				t.Parallel() // it waits for time-outs most of the time
				s := newSystem(t, simtenant.Config{PageSize: 20, NoGzip: true,
					Generate: &generate.Config{Seed: 4, Users: 20, Days: 2, Policies: 1,
						Exactly: map[entra.Stream]int{logs.SignInsInteractiveUser: 60}}})
				var by route
				var proxy *toxiproxy.Proxy
				if side == "graph" {
					u, err := url.Parse(s.graph.URL)
					require.NoError(t, err)
					var listen string
					proxy, listen = newToxic(t, "graph", u.Host)
					by.graph = "http://" + listen
				} else {
					text := s.env["ARCHIVE_STORAGE"]
					_, rest, _ := strings.Cut(text, "TableEndpoint=http://")
					host := rest[:strings.IndexAny(rest, "/;")]
					var listen string
					proxy, listen = newToxic(t, "tables", host)
					by.tables = strings.Replace(text, "TableEndpoint=http://"+host, "TableEndpoint=http://"+listen, 1)
				}
				_, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic))
				require.NoError(t, err)
				for range 2 {
					_, _ = s.collector(by).Run(t.Context(), archivetest.Execution(), streams, 4*time.Second)
				}
				proxy.Toxics.ResetToxics(t.Context())
				_, err = s.collector(by).Run(t.Context(), archivetest.Execution(), streams, time.Minute)
				require.NoError(t, err)
				s.requireArchived(streams...)
				s.requireIntact(streams...)
			})
		}
	}
}
