"""What a plan or a grid will cost on this machine: counted where it can be, else from a short timed step."""

from tlkit.forecast.grids import Forecast, forecast, views
from tlkit.forecast.prices import Price, price

__all__ = ["Forecast", "Price", "forecast", "price", "views"]
