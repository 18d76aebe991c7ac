namespace FastRelay.Config;

/// <summary>A key of the configuration, as the code that reads it asks for it.</summary>
/// <param name="Table">As in <c>deliver</c> or <c>tls.also</c>; empty for the top.</param>
/// <param name="IsList">The table is one of a list, <c>[[route]]</c>.</param>
/// <param name="Name">The key.</param>
/// <param name="Type">text, path, address, true or false, number, duration, size, list, or one of words.</param>
/// <param name="Bounds">What it may be, or an example.</param>
internal sealed record ConfigKey(string Table, bool IsList, string Name, string Type, string Bounds)
{
    /// <summary>As the reference's texts are found by.</summary>
    public string Full => Table.Length == 0 ? Name : $"{Table}.{Name}";
}
