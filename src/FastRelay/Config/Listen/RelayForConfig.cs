namespace FastRelay.Config;

/// <summary>A row of <c>[[relay_for]]</c> as it stands in the file.</summary>
/// <param name="Clients">Who they are, and what the row says of their mail.</param>
/// <param name="Rates">Those of its networks are held to the rates of strangers.</param>
/// <param name="Domains">Recipients that anybody may send to; lower case.</param>
public sealed record RelayForConfig(InjectorConfig Clients, bool Rates, IReadOnlyList<string> Domains);
