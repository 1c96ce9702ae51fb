print("flightrec")
