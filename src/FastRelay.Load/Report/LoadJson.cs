using System.Text.Json;
using System.Text.Json.Serialization;

namespace FastRelay.Load;

/// <summary>The reports as JSON, written by generated code.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SinkReport))]
[JsonSerializable(typeof(LoadReport))]
[JsonSerializable(typeof(LoadSample))]
public sealed partial class LoadJson : JsonSerializerContext
{
    /// <summary>One line, for streams of samples.</summary>
    public static LoadJson Lines { get; } = new(new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.CamelCase });
}
