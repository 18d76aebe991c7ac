namespace FastRelay.Host.Admin;

/// <summary>The description of the admin's resources (OpenAPI 3.1). A file that a test compares with the code: nothing is made of types at run time.</summary>
public static class OpenApi
{
    private static readonly Lazy<byte[]> s_document = new(Load);

    /// <summary>JSON.</summary>
    public static ReadOnlyMemory<byte> Document => s_document.Value;

    private static byte[] Load()
    {
        using Stream stream = typeof(OpenApi).Assembly.GetManifestResourceStream("openapi.json") ?? throw new InvalidOperationException("openapi.json is not in the program");
        using var document = new MemoryStream();
        stream.CopyTo(document);
        return document.ToArray();
    }
}
