package graph

import (
	"context"
	"errors"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
)

// Federated reads the federated credentials of one application, which is registered in this tenant;
// none where it is not. What does not come within detailsTime is an error with
// entra.CodeUnavailable. appID has to be an id. An application has 20 of them at most, so there is
// one page. Sources: learn.microsoft.com/graph/api/application-list-federatedidentitycredentials,
// learn.microsoft.com/graph/api/resources/federatedidentitycredentials-overview.
func (d *Directory) Federated(ctx context.Context, appID string) ([]rules.Federated, error) {
	ctx, cancel := context.WithTimeout(ctx, detailsTime)
	defer cancel()
	applications, _ := collections.All().Of(collections.Applications)
	r := d.request("read federated credentials from Graph", applications)
	r.wait = freely
	r.url = d.base.String() + applications.Path + "(appId='" + appID + "')/federatedIdentityCredentials"
	page, err := ask(ctx, d.Client, r, d.objects)
	if entra.CodeOf(err) == entra.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, tooLate(ctx, r.doing, err)
	}
	defer page.Free()
	var out []rules.Federated
	for _, raw := range page.Items {
		out = append(out, rules.ParseFederated(raw))
	}
	return out, nil
}

// tooLate is the error of a question to which the caller did not wait for the answer any longer;
// others stay as they are.
func tooLate(ctx context.Context, doing string, err error) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	return &entra.Error{Code: entra.CodeUnavailable, Doing: doing,
		Why: "Graph has not answered within " + detailsTime.String(), Remedy: "ask again later", Err: err}
}
