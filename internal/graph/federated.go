package graph

import (
	"context"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
)

// Federated reads the federated credentials of one application, which is registered in this tenant;
// none where it is not. appID has to be an id. An application has 20 of them at most, so there is
// one page. Sources: learn.microsoft.com/graph/api/application-list-federatedidentitycredentials,
// learn.microsoft.com/graph/api/resources/federatedidentitycredentials-overview.
func (d *Directory) Federated(ctx context.Context, appID string) ([]rules.Federated, error) {
	applications, _ := collections.All().Of(collections.Applications)
	r := d.request("read federated credentials from Graph", applications)
	r.wait = freely
	r.url = d.base.String() + applications.Path + "(appId='" + appID + "')/federatedIdentityCredentials"
	page, err := ask(ctx, d.Client, r, d.objects)
	if entra.CodeOf(err) == entra.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer page.Free()
	var out []rules.Federated
	for _, raw := range page.Items {
		out = append(out, rules.ParseFederated(raw))
	}
	return out, nil
}
