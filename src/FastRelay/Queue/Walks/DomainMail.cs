using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>
/// Tells which destinations hold a domain's mail: by MX its own, and by a route the one of the row that stood for it when the destination was made. It keeps
/// the answer for one route table, since nearly all are of the same.
/// </summary>
/// <param name="domain">Lower case, without the final dot.</param>
internal sealed class DomainMail(string domain)
{
    private RouteTable? _table;
    private Route? _route;

    /// <summary>True when mail for the domain is, or was, given to it.</summary>
    public bool Has(Destination destination)
    {
        if (destination.Origin.NextHop.Kind == NextHopKind.Mx)
        {
            return destination.Origin.Domain == domain;
        }
        if (destination.Table != _table)
        {
            (_table, _route) = (destination.Table, destination.Table.FixedRoute(domain));
        }
        return destination.Origin == _route;
    }
}
